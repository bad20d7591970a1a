"""Small parts that several programs of st2 use."""
