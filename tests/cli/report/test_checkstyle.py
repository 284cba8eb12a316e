from lxml import etree

from tests.cli.report.reports import REPORTS, written


def test_findings_stand_by_file() -> None:
    root = etree.fromstring(written(REPORTS["check"], "checkstyle").encode())
    assert (root.tag, {each.tag for each in root}) == ("checkstyle", {"file"})
    files = [each.get("name") for each in root]
    assert len(files) == len(set(files))
    assert files[0] == "deploy/web.yaml"
    assert [dict(each.attrib) for each in root[0]] == [
        {
            "line": "12",
            "column": "9",
            "severity": "error",
            "message": "Deployment shop/web: spec.template.spec.containers[0].image: image 'nginx' has no digest",
            "source": "gatewright.pinned-images",
        },
        {
            "line": "14",
            "column": "3",
            "severity": "warning",
            "message": "Deployment shop/web: spec.template.spec.containers[0].image: second",
            "source": "gatewright.pinned-images",
        },
    ]
    assert files[-3:] == ["broken.yaml", "absent.yaml", "policies/old.yaml"]


def test_every_report_is_xml() -> None:
    for each in REPORTS.values():
        root = etree.fromstring(written(each, "checkstyle").encode())
        assert all(error.get("severity") in ("error", "warning", "info") for error in root.iter("error"))
        assert all(error.get("line").isdigit() for error in root.iter("error"))
