"""What the API takes and gives, before it is a document and after."""
