"""Accepts what tills, web shops and files say, keeps it, and gives it to everybody else in one order."""
