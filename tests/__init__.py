"""The tests, by floor: pure ones here, real SSH in wire/, the container lab in lab/."""
