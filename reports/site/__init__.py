"""Answers become a site: pages, files, publication, history."""
