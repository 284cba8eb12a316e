"""Gatewright. Each folder is a room. Imports point down in the order of rooms that tests/test_rooms.py holds."""
