"""Side-by-side measurements against other ways to do the same. They run in the lab, when somebody asks for them."""
