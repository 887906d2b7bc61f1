"""What people read: answers in words, tables for the terminal, figures. No calculation here."""
