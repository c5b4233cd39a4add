"""Example data: a simulated shop, a real retailer's year, and a broker to send them through."""
