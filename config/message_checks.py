"""What is wrong in a profile of messages, seen at its nodes: keys, paths and topics that fit no payload."""

import re
from collections.abc import Iterator

from config.checking import Checks
from config.positions import Node
from config.problems import Hint, Problem
from drivers.payload_json import SUM, steps_of

_FOR_JSON_ALONE = ("time", "duplicate_by", "restart_by", "decoded", "deltas")


class MessageChecks(Checks):
    """The rules of ``drivers.mqtt_profile``, and what its models cannot see, each with its place."""

    def all(self) -> list[Problem]:
        """Run every check."""
        section = self.root.get("parts")
        parts = [part for part in ((section.mapping if section else None) or {}).values() if part.mapping]
        return [
            *self.presence(),
            *(problem for part in parts for problem in self.payload(part)),
            *(problem for part in parts for problem in self.paths(part)),
            *(problem for part in parts for problem in self.topics(part)),
        ]

    def presence(self) -> Iterator[Problem]:
        """A word that says both says nothing."""
        holder = self.root.get("availability")
        if holder is None:
            return
        yield from self._topic(holder.get("topic"))
        here = {word.text for word in holder.entries("online")}
        for word in holder.entries("offline"):
            if word.text is not None and word.text in here:
                yield self.at("config.word_says_both", word, word=word.text)

    def payload(self, part: Node) -> Iterator[Problem]:
        """Keys and points that a payload of this kind cannot have."""
        kind, points = part.word("payload"), _points(part)
        if kind not in ("plain", "sparkplug_b"):
            return
        for key in _FOR_JSON_ALONE:
            node = part.get(key)
            if node is not None and not _is_empty(node):
                place = self.source.place(node.label)
                yield Problem("config.key_not_of_payload", place, node.path, {"key": key, "payload": kind})
        if kind == "plain":
            for point in points[1:]:
                place, name = self.source.place(point.label), str(point.path[-1])
                yield Problem("config.plain_is_one_number", place, point.path, {"point": name})
        elif kind == "sparkplug_b":
            for point in points:
                if point.mapping is not None and not point.word("path"):
                    path, name = (*point.path, "path"), str(point.path[-1])
                    place = self.source.place((point.get("path") or point).label)
                    yield Problem("config.metric_name_missing", place, path, {"point": name})

    def paths(self, part: Node) -> Iterator[Problem]:
        """A sum ends a path: below it lies nothing."""
        if part.word("payload") == "sparkplug_b":
            return  # there a path is a metric's whole name
        for point in _points(part):
            path = point.get("path")
            if path is not None and path.text is not None and SUM in steps_of(path.text)[:-1]:
                yield self.at("config.sum_not_last", path, path=path.text)

    def topics(self, part: Node) -> Iterator[Problem]:
        """Topics of a part and of its changes."""
        for holder in (part, *part.entries("deltas")):
            yield from self._topic(holder.get("topic"))

    def _topic(self, topic: Node | None) -> Iterator[Problem]:
        if topic is None or topic.text is None:
            return
        if re.search(r"[#+\0]", topic.text):
            yield self.at("config.topic_wildcard", topic, topic=topic.text)
        for name in re.findall(r"\{([^{}]*)\}", topic.text):
            if name != "topic":
                hint = Hint("config.did_you_mean", {"guess": topic.text.replace(f"{{{name}}}", "{topic}")})
                yield self.at("config.topic_placeholder", topic, hint, name=name)


def _points(part: Node) -> list[Node]:
    section = part.get("points")
    return list(((section.mapping if section else None) or {}).values())


def _is_empty(node: Node) -> bool:
    return node.value is None and not node.mapping and not node.sequence
