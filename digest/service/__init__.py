"""``digest serve`` as a process that goes on: its threads, its schedule, its runs, its log, and who watches over it."""
