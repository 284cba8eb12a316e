"""AppArmor profiles of containers, which the API server takes from deprecated annotations when a Pod is created."""

from __future__ import annotations

from typing import Any, Final

PREFIX: Final = "container.apparmor.security.beta.kubernetes.io/"
"""Of the annotations; the name of the container follows."""
_LOCALHOST: Final = "localhost/"
_LONGEST: Final = 4095  # bytes of a profile's name


def with_apparmor_profiles(spec: dict[str, Any], annotations: dict[str, str]) -> dict[str, Any]:
    """The spec of a Pod with the profiles that its annotations name: the same if there are none, else another.

    A container that has a profile keeps it. One that would have the Pod's profile gets none of its own.
    """
    named = {key[len(PREFIX) :]: text for key, text in annotations.items() if key.startswith(PREFIX)}
    if not named or (spec.get("os") or {}).get("name") == "windows":
        return spec
    of_pod = (spec.get("securityContext") or {}).get("appArmorProfile")
    made = dict(spec)
    for field in ("initContainers", "containers", "ephemeralContainers"):
        if spec.get(field):
            made[field] = [_with_profile(each, named, of_pod) for each in spec[field]]
    return made


def _with_profile(container: dict[str, Any], named: dict[str, str], of_pod: Any) -> dict[str, Any]:
    context = container.get("securityContext") or {}
    text = named.get(container.get("name", ""))
    profile = _profile(text) if text is not None and "appArmorProfile" not in context else None
    if profile is None or profile == of_pod:
        return container
    return {**container, "securityContext": {**context, "appArmorProfile": profile}}


def _profile(text: str) -> dict[str, str] | None:
    """The profile that the value of an annotation names; None if it is not valid."""
    if text == "unconfined":
        return {"type": "Unconfined"}
    if text == "runtime/default":
        return {"type": "RuntimeDefault"}
    name = text.removeprefix(_LOCALHOST)
    if name in ("", text) or name.strip() != name or len(name.encode()) > _LONGEST:
        return None
    return {"type": "Localhost", "localhostProfile": name}
