from webhook.cli.report.model import Finding, Place, anchored, fingerprinted, merged
from webhook.offline.requests import Identity

WEB = Identity("apps/v1", "Deployment", "shop", "web")


def finding(message: str = "image 'a:1' is not pinned", line: int = 3, **fields: object) -> Finding:
    made = {"rule": "pinned", "level": "deny", "object": WEB, "anchor": "spec/[web]/image", **fields}
    return Finding(message=message, place=Place("in.yaml", line), **made)  # type: ignore[arg-type]


def prints(*findings: Finding) -> list[str]:
    return [each.fingerprint for each in fingerprinted(findings)]


class TestAFingerprint:
    def test_survives_moves_and_new_values(self) -> None:
        moved = finding(line=90, message="image 'a:27' is not pinned")
        assert prints(finding()) == prints(moved)
        elsewhere = Finding(
            rule="pinned", level="deny", object=WEB, anchor="spec/[web]/image", message="image '' is not pinned",
            place=Place("other.yaml", 1),
        )  # fmt: skip
        assert prints(finding()) == prints(elsewhere)

    def test_differs_by_what_it_is_about(self) -> None:
        others = [
            finding(rule="other"),
            finding(level="warn"),
            finding(binding="second"),
            finding(object=Identity("apps/v1", "Deployment", "shop", "api")),
            finding(object=Identity("apps/v1", "StatefulSet", "shop", "web")),
            finding(anchor="spec/[sidecar]/image"),
            finding(message="something else"),
            finding(change="newly denied"),
        ]
        found = [prints(each)[0] for each in (finding(), *others)]
        assert len(set(found)) == len(found)

    def test_of_equal_findings_is_told_apart_by_counting(self) -> None:
        one, two = prints(finding(), finding(line=8))
        assert one != two
        assert prints(finding(line=7), finding(line=9)) == [one, two]

    def test_without_an_object_is_of_the_file(self) -> None:
        alone = finding(object=None)
        other = Finding(rule="pinned", level="deny", anchor="spec/[web]/image", message="x", place=Place("b.yaml", 1))
        assert prints(alone) != prints(finding())
        assert prints(finding(object=None, message="x")) != prints(other)

    def test_takes_half_characters(self) -> None:
        assert len(prints(finding(message="\udce9"))[0]) == 32


def test_an_anchor_names_items_by_their_name() -> None:
    value = {"spec": {"containers": [{"name": "web", "image": "a"}, {"image": "b"}, 3]}}
    assert anchored(("spec", "containers", 0, "image"), value) == "spec/containers/[web]/image"
    assert anchored(("spec", "containers", 1, "image"), value) == "spec/containers/1/image"
    assert anchored(("spec", "containers", 7, "image"), value) == "spec/containers/7/image"
    assert anchored(("metadata", "labels"), value) == "metadata/labels"


def test_findings_that_differ_in_their_level_only_are_one_of_the_gravest() -> None:
    found = [finding(level="audit"), finding("other"), finding(level="deny")]
    assert [(levels, each.level, each.message) for levels, each in merged(found)] == [
        (("audit", "deny"), "deny", "image 'a:1' is not pinned"),
        (("deny",), "deny", "other"),
    ]


def test_a_place_is_written_as_editors_follow_it() -> None:
    assert [str(Place("a.yaml", *numbers)) for numbers in ((), (3,), (3, 4), (None, 4))] == [
        "a.yaml",
        "a.yaml:3",
        "a.yaml:3:4",
        "a.yaml",
    ]
