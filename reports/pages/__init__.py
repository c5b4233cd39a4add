"""The pages of the site, one file a page: answers in, a page or null out; null where there is nothing to show."""
