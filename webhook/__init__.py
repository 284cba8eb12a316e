"""Gatewright. One folder a room; imports point down, as tests/test_rooms.py has the order of the rooms."""
