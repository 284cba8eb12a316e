"""The order in which Go's sort.Slice leaves elements of which some are neither less nor greater than each other.

Go sorts with pdqsort (pattern-defeating quicksort, arxiv.org/abs/2106.05123), which is not stable but always does the
same. So this one takes the same steps: the same pivots, swaps and pseudo-random numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

_INSERTED: Final = 12  # elements that an insertion sort orders
_STEPS, _SHIFTED = 5, 50
_NINTHER, _MOST_SWAPS = 50, 12


def sorted_places(keys: list[Any], less: Callable[[Any, Any], bool]) -> list[int]:
    """The places of the keys in Go's order."""
    places = list(range(len(keys)))
    _Sort(places, lambda a, b: less(keys[a], keys[b])).sort(0, len(keys), len(keys).bit_length())
    return places


def ambiguous(ordered: list[Any]) -> bool:
    """Whether the order of sorted keys depends on how they were sorted: some are equal, or not a number."""
    return any(not before < after for before, after in pairwise(ordered))


class _Sort:
    def __init__(self, items: list[int], less: Callable[[int, int], bool]) -> None:
        self._items = items
        self._compare = less

    def less(self, i: int, j: int) -> bool:
        return self._compare(self._items[i], self._items[j])

    def swap(self, i: int, j: int) -> None:
        self._items[i], self._items[j] = self._items[j], self._items[i]

    def sort(self, a: int, b: int, bad_choices: int) -> None:
        """Sort the items from a up to b. bad_choices: those of pivots that are left until a heap sort takes over."""
        balanced = partitioned = True
        while b - a > _INSERTED:
            if not bad_choices:
                self.heap(a, b)
                return
            if not balanced:
                self.scatter(a, b)
                bad_choices -= 1
            pivot, swaps = self.pivot(a, b)
            if swaps == _MOST_SWAPS:  # descending
                self._items[a:b] = self._items[a:b][::-1]
                pivot, swaps = b - 1 - (pivot - a), 0
            if balanced and partitioned and not swaps and self.nearly_sorted(a, b):
                return
            if a > 0 and not self.less(a - 1, pivot):
                a = self.partition_equal(a, b, pivot)
                continue
            middle, partitioned = self.partition(a, b, pivot)
            balanced = min(middle - a, b - middle) >= (b - a) // 8
            if middle - a < b - middle:
                self.sort(a, middle, bad_choices)
                a = middle + 1
            else:
                self.sort(middle + 1, b, bad_choices)
                b = middle
        for i in range(a + 1, b):
            self.shift_left(i, a)

    def shift_left(self, i: int, end: int) -> None:
        while i > end and self.less(i, i - 1):
            self.swap(i, i - 1)
            i -= 1

    def partition(self, a: int, b: int, pivot: int) -> tuple[int, bool]:
        """Those less than the pivot to its left; the place of the pivot, and whether nothing had to be swapped."""
        self.swap(a, pivot)
        i, j, untouched = a + 1, b - 1, True
        while True:
            while i <= j and self.less(i, a):
                i += 1
            while i <= j and not self.less(j, a):
                j -= 1
            if i > j:
                break
            self.swap(i, j)
            i, j, untouched = i + 1, j - 1, False
        self.swap(j, a)
        return j, untouched

    def partition_equal(self, a: int, b: int, pivot: int) -> int:
        """Those equal to the pivot, which is the least, to the left; the place where the others begin."""
        self.swap(a, pivot)
        i, j = a + 1, b - 1
        while True:
            while i <= j and not self.less(a, i):
                i += 1
            while i <= j and self.less(a, j):
                j -= 1
            if i > j:
                return i
            self.swap(i, j)
            i, j = i + 1, j - 1

    def nearly_sorted(self, a: int, b: int) -> bool:
        """Whether a few shifts have sorted the items."""
        i = a + 1
        for _ in range(_STEPS):
            while i < b and not self.less(i, i - 1):
                i += 1
            if i == b:
                return True
            if b - a < _SHIFTED:
                return False
            self.swap(i, i - 1)
            if i - a >= 2:
                self.shift_left(i - 1, 0)
            if b - i >= 2:
                j = i + 1
                while j < b and self.less(j, j - 1):
                    self.swap(j, j - 1)
                    j += 1
        return False

    def scatter(self, a: int, b: int) -> None:
        """Swap three items near the middle with others that a generator of random numbers chooses."""
        length = b - a
        state, mask = length, (1 << length.bit_length()) - 1
        middle = a + length // 4 * 2
        for place in range(middle - 1, middle + 2):
            state ^= state << 13 & (2**64 - 1)
            state ^= state >> 7
            state ^= state << 17 & (2**64 - 1)
            other = state & mask
            self.swap(place, a + (other - length if other >= length else other))

    def pivot(self, a: int, b: int) -> tuple[int, int]:
        """The place of the pivot, and how many comparisons found two items in descending order."""
        length = b - a
        i, j, k = (a + length // 4 * quarter for quarter in (1, 2, 3))
        swaps = 0
        if length >= _NINTHER:
            places = []
            for place in (i, j, k):
                middle, found = self.median(place - 1, place, place + 1)
                places.append(middle)
                swaps += found
            i, j, k = places
        middle, found = self.median(i, j, k)
        return middle, swaps + found

    def median(self, a: int, b: int, c: int) -> tuple[int, int]:
        swaps = 0
        if self.less(b, a):
            a, b, swaps = b, a, swaps + 1
        if self.less(c, b):
            b, c, swaps = c, b, swaps + 1
        if self.less(b, a):
            a, b, swaps = b, a, swaps + 1
        return b, swaps

    def heap(self, a: int, b: int) -> None:
        length = b - a
        for root in range((length - 1) // 2, -1, -1):
            self.sift_down(root, length, a)
        for end in range(length - 1, -1, -1):
            self.swap(a, a + end)
            self.sift_down(0, end, a)

    def sift_down(self, root: int, end: int, first: int) -> None:
        while (child := 2 * root + 1) < end:
            if child + 1 < end and self.less(first + child, first + child + 1):
                child += 1
            if not self.less(first + root, first + child):
                return
            self.swap(first + root, first + child)
            root = child
