from __future__ import annotations

from webhook.offline.leftout import BINARY, EXCLUDED, NOTHING, PATCH, LeftOut, notes


def test_a_note_names_three_files_unless_it_is_to_name_all() -> None:
    left_out = [LeftOut(f"{name}.yaml", NOTHING) for name in "abcde"]
    assert list(notes(left_out)) == [
        "5 files without Kubernetes objects left out: a.yaml, b.yaml, c.yaml and 2 more",
    ]
    assert list(notes(left_out, verbose=True)) == [
        "5 files without Kubernetes objects left out: a.yaml, b.yaml, c.yaml, d.yaml, e.yaml",
    ]


def test_binary_files_have_a_note_of_their_own() -> None:
    left_out = [LeftOut("a.yaml", NOTHING), LeftOut("b.yaml", BINARY), LeftOut("c.json", BINARY)]
    assert list(notes(left_out)) == [
        "1 file without Kubernetes objects left out: a.yaml",
        "2 binary files left out, no YAML and no JSON: b.yaml, c.json",
    ]


def test_what_is_checked_although_something_says_otherwise() -> None:
    kept = [LeftOut("deploy", EXCLUDED, by="--exclude"), LeftOut("p.yaml", PATCH, by="kustomization.yaml")]
    assert list(notes([], kept)) == [
        "1 file that kustomizations name as patches or parts hold whole objects, which `kubectl apply -f` would "
        "create, and are checked: p.yaml; --exclude leaves them out",
        "1 path checked although --exclude excludes it: deploy; patterns leave out what is below a path that is named, "
        "not the path itself",
    ]


def test_what_is_excluded_is_named_by_what_excludes_it() -> None:
    left_out = [LeftOut("b/", EXCLUDED, by=".gatewrightignore"), LeftOut("a/", EXCLUDED, by="--exclude")]
    assert list(notes(left_out)) == ["1 entry excluded by --exclude: a/", "1 entry excluded by .gatewrightignore: b/"]
