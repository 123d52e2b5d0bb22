"""Answer what a piece of sky looks like, what kind it is, and how odd."""
