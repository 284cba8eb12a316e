"""What a change of policies changes: the verdicts of two policy trees on the same objects, compared.

Everything between two trees and the verdicts that differ belongs here: reading both, telling which policies are the
same, the objects that are judged, and the comparison. How it is shown is the command's part.
"""
