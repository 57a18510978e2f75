"""What ``digest check`` looks at."""
