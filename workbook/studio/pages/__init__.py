"""The Studio's pages: how it looks. What can be done stands in the modules above."""
