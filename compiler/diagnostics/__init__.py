"""What is wrong or doubtful, told: the diagnostic, the table of codes, and how they are printed."""
