"""What the operator is told, decided: which alarms there are, and whether a category has fallen silent."""
