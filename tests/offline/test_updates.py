from webhook.documents.reader import parse
from webhook.offline.requests import Options, Plan, plan
from webhook.offline.updates import compared, counted, defined_twice

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: {namespace}}}\ndata: {{a: {data}}}\n"
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {replicas: REPLICAS, template: {spec: {containers: [{name: c}]}}}
"""


def config(name: str, data: str = "b", namespace: str = "default") -> str:
    return CONFIG.format(name=name, data=data, namespace=namespace)


def planned(*texts: str, operation: str = "CREATE", file: str = "new.yaml") -> Plan:
    documents, problems = parse("---\n".join(texts), file)
    assert problems == []
    return plan(documents, Options(operation=operation))


def before(*texts: str) -> Plan:
    return planned(*texts, operation="DELETE", file="old.yaml")


def test_what_both_have_is_updated_and_the_rest_created_or_deleted() -> None:
    new = planned(config("same"), config("new"), DEPLOYMENT.replace("REPLICAS", "2"))
    old = before(config("gone"), config("same", "old"), DEPLOYMENT.replace("REPLICAS", "1"))
    requests = compared(new.requests, old)
    told = [(each.request.operation, each.request.name, each.document.file) for each in requests]
    assert told == [
        ("UPDATE", "same", "new.yaml"),
        ("CREATE", "new", "new.yaml"),
        ("UPDATE", "web", "new.yaml"),
        ("CREATE", "", "new.yaml"),
        ("DELETE", "gone", "old.yaml"),
    ]
    same, _, web, _, gone = (each.request for each in requests)
    assert same.object is not None
    assert same.old_object is not None
    assert (same.object["data"], same.old_object["data"]) == ({"a": "b"}, {"a": "old"})
    assert same.options is not None
    assert (same.options["kind"], gone.options and gone.options["kind"]) == ("UpdateOptions", "DeleteOptions")
    assert same.object["metadata"]["uid"] == same.old_object["metadata"]["uid"]
    assert web.old_object is not None
    assert web.old_object["spec"]["replicas"] == 1
    assert (gone.object, gone.old_object is None) == (None, False)
    assert counted(requests) == "1 created, 2 updated, 1 deleted"


def test_an_object_is_the_same_in_another_version_and_not_in_another_namespace() -> None:
    autoscaler = "apiVersion: autoscaling/{}\nkind: HorizontalPodAutoscaler\nmetadata: {{name: h}}\nspec: {{}}\n"
    requests = compared(planned(autoscaler.format("v2")).requests, before(autoscaler.format("v1")))
    assert [each.request.operation for each in requests] == ["UPDATE"]
    requests = compared(planned(config("a", namespace="x")).requests, before(config("a", namespace="z")))
    assert [each.request.operation for each in requests] == ["CREATE", "DELETE"]
    other = config("a").replace("ConfigMap", "Secret").replace("data:", "stringData:")
    assert [each.request.operation for each in compared(planned(config("a")).requests, before(other))] == [
        "CREATE",
        "DELETE",
    ]


def test_of_two_objects_of_one_name_the_second_is_created() -> None:
    requests = compared(planned(config("a"), config("a", "c")).requests, before(config("a", "old")))
    assert [each.request.operation for each in requests] == ["UPDATE", "CREATE"]


def test_an_object_that_a_file_defines_twice_is_named_with_both_lines() -> None:
    deployment = DEPLOYMENT.replace("REPLICAS", "2")
    generated = "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: a-}\n"
    found = planned(config("a"), config("b"), deployment, config("a", "other"), generated, generated, deployment)
    assert [str(each) for each in defined_twice(found.requests)] == [
        "new.yaml:16:1: ConfigMap default/a is also defined at new.yaml:1; a cluster keeps what is applied last",
        "new.yaml:29:1: Deployment default/web is also defined at new.yaml:11; a cluster keeps what is applied last",
    ]
    apart = [*planned(config("a")).requests, *planned(config("a"), file="other.yaml").requests]
    assert list(defined_twice([*apart, *planned(config("a", namespace="team"), file="other.yaml").requests])) == []
