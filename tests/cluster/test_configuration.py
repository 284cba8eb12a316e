"""Of a kubeconfig that is not there it is said which file was looked for, and how to name another."""

from __future__ import annotations

from pathlib import Path

import pytest

from webhook.cluster.connection import ConfigurationError, configuration

KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: it
contexts: [{name: it, context: {cluster: it, user: it}}]
clusters: [{name: it, cluster: {server: "http://127.0.0.1:9"}}]
users: [{name: it, user: {}}]
"""


@pytest.mark.parametrize(
    ("named", "variable", "said"),
    [
        (None, None, "kubeconfig: there is no ~/.kube/config; name a file with KUBECONFIG or --kubeconfig"),
        (
            None,
            "a:~nobody-of-this-name/b",
            "kubeconfig: KUBECONFIG names no file that is there: a:~nobody-of-this-name/b",
        ),
        (Path("a"), "kubeconfig", "kubeconfig a: no such file"),
    ],
)
def test_a_kubeconfig_that_is_not_there(
    named: Path | None, variable: str | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    if variable is None:
        monkeypatch.delenv("KUBECONFIG", raising=False)
    else:
        monkeypatch.setenv("KUBECONFIG", variable)
    with pytest.raises(ConfigurationError) as caught:
        configuration("kubeconfig", named)
    assert str(caught.value) == said


def test_a_kubeconfig_that_is_there_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert configuration("kubeconfig", tmp_path / "kubeconfig").host == "http://127.0.0.1:9"
    assert configuration("kubeconfig", Path("~/kubeconfig")).host == "http://127.0.0.1:9"
