from webhook.byidentity import ByIdentity


class Counted:
    """An object that can be referred to weakly, and equals all others."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 1


def test_equal_objects_have_values_of_their_own() -> None:
    known: ByIdentity[str] = ByIdentity(8)
    first, second = Counted(), Counted()
    assert known.keep(first, "a") == "a"
    assert known.get(second) is None
    known.keep(second, "b")
    assert [known.get(each) for each in (first, second, first, first, second)] == ["a", "b", "a", "a", "b"]


def test_an_object_that_is_gone_leaves_its_identity_to_no_other() -> None:
    known: ByIdentity[int] = ByIdentity(100)
    for number in range(50):
        assert known.get([number]) is None
        known.keep([number], number)


def test_it_keeps_no_more_than_so_many() -> None:
    known: ByIdentity[int] = ByIdentity(3)
    objects = [[number] for number in range(7)]
    for number, each in enumerate(objects):
        known.keep(each, number)
        assert known.get(each) == number
        assert len(known._known) <= 3
    assert known.get(objects[0]) is None


def test_nothing_is_known_at_first() -> None:
    known: ByIdentity[int] = ByIdentity(3)
    assert known.get(None) is None
    assert known.get(known) is None
