"""What is wrong and how things stand."""
