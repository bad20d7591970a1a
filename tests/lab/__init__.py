"""The lab proves itself: hosts here, packages beside them."""
