"""By which families of routes journeys reach a goal, what that takes a customer, and how it felt."""
