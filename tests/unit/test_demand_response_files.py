"""Files of baseline presets, programmes and events: the product's own, an operator's, and their mistakes."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from config.baseline_presets import load_preset, preset_names
from config.event_list import read_event_list
from config.event_times import TimeRefusedError, event_instant
from config.problems import ConfigurationError, render_all
from config.programme_texts import load_programme, programme_names, programme_on
from rules.baseline.method import Anchor, Days, Selection
from tests.baseline_world import TAIPEI

HERE = Path()
PRESET = """
preset: mine
name: {zh-TW: 自訂, en: Mine}
grade: S
source: a contract
days: {wanted: 10, select: high, count: 5}
adjustment: {kind: additive, hours: {anchor: start, from_h: -4, to_h: -1}}
"""
PROGRAMME = """
programme: mine
family: mine
family_name: {zh-TW: 自訂, en: Mine}
name: {zh-TW: 自訂, en: Mine}
valid: {from: 2025-01-01}
grade: S
source: a contract
baseline: caiso-10-of-10
statistic: mean
notices: [{day_before: "18:00"}]
credit: {kind: bid, cap: 10, steps: [{below: 60, ratio: 0}, {ratio: 1}]}
"""
EVENTS = """id,programme,notice,start,end,committed_kw,bid,source
e1,taipower-demand-bidding,2017-07-03T17:00,2017-07-04T13:00,2017-07-04T15:00,150,9.50,letter 1
e2,taipower-demand-bidding,,2017-07-06T13:00+08:00,2017-07-06T15:00+08:00,,,letter 2
"""


def complaints(read, language="en"):
    with pytest.raises(ConfigurationError) as caught:
        read()
    return render_all(caught.value.problems, language)


def preset(tmp_path, text):
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    return load_preset("mine.yaml", tmp_path)


def programme(tmp_path, text):
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    return load_programme("mine.yaml", tmp_path)


def events(tmp_path, text):
    path = tmp_path / "events.csv"
    path.write_text(text, encoding="utf-8")
    return read_event_list(path, TAIPEI, 900)


class TestPresets:
    def test_every_preset_of_the_reference_is_there(self):
        assert set(preset_names()) == {
            "taipower-demand-bidding-2016",
            "taipower-mean-of-5",
            "taipower-day-ahead-2025",
            "taipower-guaranteed-2025",
            "caiso-10-of-10",
            "pjm-high-4-of-5",
            "pjm-same-day-3-2",
            "nyiso-high-5-of-10",
            "ercot-middle-8-of-10",
            "high-5-of-10-additive",
            "japan-high-4-of-5",
        }

    @pytest.mark.parametrize("name", preset_names())
    def test_each_has_both_languages_a_source_and_its_doubts(self, name):
        one = load_preset(name, HERE)
        assert one.id == name
        assert all(one.names[language] for language in ("zh-TW", "en"))
        assert one.source
        assert len(one.digest) == 64
        assert one.is_unverified == (one.grade == "B")
        assert not one.is_unverified or one.unverified["en"]
        assert len(one.unverified["en"]) == len(one.unverified["zh-TW"])

    def test_one_of_ones_own(self, tmp_path):
        one = preset(tmp_path, PRESET)
        assert one.method.days == Days(10, select=Selection.HIGH, count=5)
        assert one.method.adjustment.span.anchor is Anchor.START

    def test_an_unknown_name_is_told_with_the_nearest(self):
        assert "did you mean 'caiso-10-of-10'" in complaints(lambda: load_preset("caiso-10-of-9", HERE))

    @pytest.mark.parametrize(
        ("old", "new", "place", "words"),
        [
            ("preset: mine", "preset: other", "mine.yaml:2:9", "says that it is 'other'"),
            ("count: 5", "count: 11", "mine.yaml:6:41", "no more than the 10 days"),
            (", count: 5", "", "mine.yaml:6:28", "'count' belongs to"),
            ("select: high, ", "", "mine.yaml:6:27", "'count' belongs to"),
            ("select: high, count: 5", "select: middle, count: 7", "mine.yaml:6:43", "not even"),
            ("wanted: 10", "wanted: 10, lookback_days: 5", "mine.yaml:6:35", "fewer are looked back"),
            ("to_h: -1", "to_h: -5", "mine.yaml:7:71", "The end is after"),
            ("kind: additive", "kind: additive, low: 2, high: 1", "mine.yaml:7:44", "nothing is between"),
            ("kind: additive", "kind: addition", "mine.yaml:7:20", "did you mean 'additive'"),
            ("days: {wanted: 10, select: high, count: 5}", "", "mine.yaml:2:1", "Give one of them"),
            ("grade: S", "grade: X", "mine.yaml:4:8", "none of the words"),
            ("wanted: 10", "wantd: 10", "mine.yaml:6:8", "did you mean 'wanted'"),
            ("from_h: -4", "from_h: -4.1", "mine.yaml:7:61", "multiple of 0.25"),
            ("grade: S", "grade: S\nvalid: {from: 2025}", "mine.yaml:5:15", "no day"),
        ],
    )
    def test_mistakes_have_their_place_and_cure(self, tmp_path, old, new, place, words):
        text = complaints(lambda: preset(tmp_path, PRESET.replace(old, new)))
        assert place in text
        assert words in text
        assert "1 to mend" in text

    def test_hours_of_the_same_day_stand_alone(self, tmp_path):
        text = PRESET.replace(
            "days: {wanted: 10, select: high, count: 5}", "same_day: [{anchor: start, from_h: -4, to_h: -1}]"
        )
        assert "'adjustment' does not go with 'same_day'" in complaints(lambda: preset(tmp_path, text))
        text = text.replace("adjustment:", "statistic: maximum\n#")
        assert "'statistic' does not go with 'same_day'" in complaints(lambda: preset(tmp_path, text))


class TestProgrammes:
    @pytest.mark.parametrize("name", programme_names())
    def test_each_has_both_languages_and_a_baseline_that_exists(self, name):
        one = load_programme(name, HERE)
        assert one.id == name
        assert one.id.startswith(one.family)
        assert all(one.names[language] for language in ("zh-TW", "en"))
        assert load_preset(one.baseline, HERE).method.statistic is one.statistic
        assert len(one.unverified["en"]) == len(one.unverified["zh-TW"])

    def test_one_of_ones_own_and_a_baseline_of_ones_own(self, tmp_path):
        assert programme(tmp_path, PROGRAMME).credit.cap == Decimal(10)
        (tmp_path / "base.yaml").write_text(PRESET.replace("preset: mine", "preset: base"), encoding="utf-8")
        one = programme(tmp_path, PROGRAMME.replace("caiso-10-of-10", "base.yaml"))
        assert load_preset(one.baseline, HERE).id == "base"

    def test_no_text_on_a_day(self):
        text = complaints(lambda: programme_on("taipower-demand-bidding", date(2019, 7, 1), HERE))
        assert "no text of taipower-demand-bidding is known to hold on 2019-07-01" in text
        assert "taipower-demand-bidding-later" in text
        assert "there is no programme 'nothing'" in complaints(
            lambda: programme_on("nothing", date(2019, 7, 1), HERE)
        )

    @pytest.mark.parametrize(
        ("old", "new", "place", "words"),
        [
            ("programme: mine", "programme: other", "mine.yaml:2:12", "says that it is 'other'"),
            ("caiso-10-of-10", "caiso-10", "mine.yaml:9:11", "no baseline preset 'caiso-10', did you mean"),
            ('"18:00"', '"6 pm"', "mine.yaml:11:24", "no time of day"),
            ('"18:00"', '"18:00", minutes_before: 30', "mine.yaml:11:11", "Keep one of them"),
            ("{below: 60, ratio: 0}", "{ratio: 0}", "mine.yaml:12:38", "Add the limit"),
            ("{ratio: 1}", "{below: 80, ratio: 1}", "mine.yaml:12:61", "takes all that is left"),
            ("kind: bid", "kind: bit", "mine.yaml:12:16", "did you mean 'bid'"),
            ("cap: 10", "cap: ten", "mine.yaml:12:26", "is not a number"),
            (
                "statistic: mean",
                'statistic: mean\nseason: {from: 1 May, through: "12-31"}',
                "mine.yaml:11:16",
                "no day of the year",
            ),
            (
                "statistic: mean",
                'statistic: mean\nseason: {from: "02-30", through: "12-31"}',
                "mine.yaml:11:16",
                "no day of the year",
            ),
        ],
    )
    def test_mistakes_have_their_place_and_cure(self, tmp_path, old, new, place, words):
        text = complaints(lambda: programme(tmp_path, PROGRAMME.replace(old, new)))
        assert place in text
        assert words in text
        assert "1 to mend" in text

    def test_a_baseline_of_ones_own_with_a_mistake_is_told_at_its_own_place(self, tmp_path):
        (tmp_path / "base.yaml").write_text(PRESET.replace("count: 5", "count: 50"), encoding="utf-8")
        text = complaints(lambda: programme(tmp_path, PROGRAMME.replace("caiso-10-of-10", "base.yaml")))
        assert "base.yaml:6:41" in text


class TestEvents:
    def test_times_are_the_sites_and_empty_cells_are_nothing(self, tmp_path):
        first, second = events(tmp_path, EVENTS)
        assert first.start.isoformat() == "2017-07-04T13:00:00+08:00"
        assert (first.committed_kw, first.bid) == (Decimal(150), Decimal("9.50"))
        assert (second.notice, second.committed_kw, second.bid) == (None, None, None)
        assert second.row == 3

    @pytest.mark.parametrize(
        ("old", "new", "place", "words"),
        [
            ("2017-07-06T13:00+08:00", "2017-07-06T13:00+08:06", "3:29", "local mean time"),
            ("2017-07-06T13:00+08:00", "2017-07-06T16:00+08:00", "3:52", "does not lie after the start"),
            ("2017-07-06T13:00+08:00", "2017-07-06T13:07+08:00", "3:29", "full steps of 15 minutes"),
            ("2017-07-06T13:00+08:00", "6 July", "3:29", "is no instant"),
            ("2017-07-06T13:00+08:00", "2017-07-06", "3:29", "is no instant"),
            ("e2,", "e1,", "3:1", "the event 'e1' stands in row 2 already"),
            ("2017-07-06T13:00+08:00", "2017-07-04T14:00+08:00", "3:29", "has ended"),
            ("2017-07-03T17:00", "2017-07-04T13:15", "2:28", "comes after the start"),
            ("9.50", "9,50", "2:", "cells where the heading has"),
            ("150", "-150", "2:", "below zero"),
            ("letter 2", "", "3:", "'source' is empty"),
        ],
    )
    def test_mistakes_have_their_row_and_cure(self, tmp_path, old, new, place, words):
        text = complaints(lambda: events(tmp_path, EVENTS.replace(old, new)))
        assert f"events.csv:{place}" in text
        assert words in text

    def test_an_offset_of_local_mean_time_is_refused_with_what_was_meant(self):
        with pytest.raises(TimeRefusedError) as caught:
            event_instant("2025-07-15T13:00+08:06", TAIPEI)
        assert caught.value.code == "dr.bad_offset"
        assert caught.value.data["guess"] == "2025-07-15T13:00+08:00"

    def test_offsets_of_other_clocks_are_instants(self):
        assert event_instant("2025-07-15T05:00Z", TAIPEI).isoformat() == "2025-07-15T13:00:00+08:00"
        assert event_instant("2025-07-15T10:45+05:45", TAIPEI).hour == 13

    def test_a_time_that_was_twice_or_never_is_refused(self):
        berlin = ZoneInfo("Europe/Berlin")
        for text, code in (("2025-10-26T02:30", "dr.time_twice"), ("2025-03-30T02:30", "dr.time_skipped")):
            with pytest.raises(TimeRefusedError) as caught:
                event_instant(text, berlin)
            assert caught.value.code == code
        assert event_instant("2025-10-26T02:30+01:00", berlin).hour == 2
