"""Under which conditions an activity repeats, and which members settle."""

from __future__ import annotations

import random
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from app.domain.events import Activity
from app.domain.member import Member
from app.domain.members import MemberCore
from app.domain.state import Hot, Merged, ReengagerState
from app.domain.stored import encode_hot
from app.playbooks.loader import load_playbooks
from app.runtime import deciding, remembered
from app.runtime.merge import InputRecord
from app.wire.checks import LAST_OCCURRED_MS
from app.wire.codec import Codec
from app.wire.topics import RANK
from tests.integration.history import write_files

if TYPE_CHECKING:
    from app.runtime.repeating import Repeating

from tests.runtime.repeating import HOUR_MS, START_MS, TWO, Applied, Player, compiled


@compiled
class TestASettledMember:
    """Which records are applied without the rules, and which of a member's own are left to them."""

    @pytest.fixture
    def player(self, make_players, playbook_sets) -> Player:
        player = make_players(playbook_sets[0])[1]
        self.offsets = count()
        return player

    def activity(self, codec: Codec, at_ms: int, **changes: Any) -> InputRecord:
        offset = next(self.offsets)
        fields = {"event_id": f"e{offset}", "type": "article.read", "channel": "APP", **changes}
        activity = Activity(member_id="anna", occurred_at=START_MS + at_ms, **fields)
        return InputRecord(
            START_MS + at_ms, RANK["activity"], offset, "activity", b"anna", codec.encode(activity)
        )

    @pytest.mark.parametrize(
        ("changes", "repeats"),
        [
            ({}, True),
            ({"channel": "WEB"}, True),
            ({"event_id": "e0"}, True),
            ({"attributes": {"a": 1, "b": "two", "c": None, "d": 0.5, "e": False}}, True),
            ({"attributes": {"a": "\N{SNOWMAN}"}}, False),
            ({"event_id": "\N{SNOWMAN}"}, False),
            ({"event_id": "e" * 64}, False),
            ({"type": "setup.step_completed"}, False),
            ({"type": "other.thing"}, False),
        ],
    )
    def test_repeats(self, player, codec, changes, repeats):
        player.decide([self.activity(codec, 0)])
        player.decide([self.activity(codec, 10_000, **changes)])
        assert player.repeated == repeats

    @pytest.mark.parametrize(
        ("at_ms", "repeats"),
        [
            (-1, False),
            (0, True),
            (4_999, False),
            (5_000, True),
            (7 * 24 * HOUR_MS - 1, True),
            (7 * 24 * HOUR_MS, False),
        ],
    )
    def test_repeats_while_its_page_has_rested_and_its_timer_is_not_due(self, player, codec, at_ms, repeats):
        """At the same instant as the last activity the page does not move."""
        player.decide([self.activity(codec, 0)])
        player.decide([self.activity(codec, at_ms)])
        assert player.repeated == repeats

    def test_settles_again_after_something_else_if_it_served(self, player, codec):
        player.decide([self.activity(codec, 0), self.activity(codec, 10_000)])
        assert player.repeated == 0  # both in one slice
        player.decide([self.activity(codec, 20_000)])
        player.decide([self.activity(codec, 30_000, type="setup.step_completed")])
        player.decide([self.activity(codec, 40_000)])
        assert player.repeated == 2

    def test_gets_by_without_the_rules_for_as_long_as_one_likes(self, player, codec):
        """Ids move to the older ones every eighth time, and are known there."""
        player.decide([self.activity(codec, 0)])
        lines = [self.activity(codec, 10_000 * number) for number in range(1, 200)]
        for line in lines:
            player.decide([line])
        assert player.repeated == 199
        again = [msgspec.structs.replace(line, offset=next(self.offsets)) for line in lines[-60:]]
        assert not player.decide(again).states

    def test_is_left_to_the_rules_where_the_older_ids_are_not_at_hand(self, player, codec):
        for number in range(10):
            player.decide([self.activity(codec, 10_000 * number)])
        player.reopen()
        player.repeated = 0
        for number in range(10, 13):
            player.decide([self.activity(codec, 10_000 * number)])
        assert player.repeated == 2


@compiled
class TestTheSame:
    """What came out differently once, or would if one of the conditions in `repeats.pyx` were not there."""

    @pytest.fixture
    def players(self, make_players, playbook_sets) -> list[Player]:
        self.offsets = count()
        players: list[Player] = make_players(playbook_sets[0])
        return players

    def activity(self, codec: Codec, at_ms: int, *, lag_ms: int = 0, **changes: Any) -> InputRecord:
        offset = next(self.offsets)
        fields = {
            "event_id": f"e{offset}",
            "member_id": "anna",
            "type": "article.read",
            "channel": "APP",
            **changes,
        }
        activity = Activity(occurred_at=START_MS + at_ms, **fields)
        return InputRecord(
            START_MS + at_ms + lag_ms,
            RANK["activity"],
            offset,
            "activity",
            activity.member_id.encode(),
            codec.encode(activity),
        )

    @staticmethod
    def decide(players: list[Player], *batch: InputRecord) -> Applied:
        by_rules, without = (player.decide(list(batch)) for player in players)
        assert without == by_rules
        return without

    def test_a_member_whose_id_is_no_utf_8_is_left_to_the_rules(self, players, codec):
        """They write a dead letter; an error here would end the worker, again and again."""
        self.decide(players, self.activity(codec, 0))
        record = self.activity(codec, 10_000)
        spoilt = msgspec.structs.replace(
            record, key=b"ann\xff", value=record.value.replace(b"anna", b"ann\xff")
        )
        applied = self.decide(players, spoilt, self.activity(codec, 20_000))
        assert ("p-dead-letter", 0) in applied.outputs
        assert players[1].repeated == 1

    def test_history_is_noted_that_comes_before_a_member_not_met_lately(self, players, codec, monkeypatch):
        """Such a member begins a new run among the records, in which no history need be."""
        monkeypatch.setattr(remembered, "CACHED_ENTITIES", 4)
        for member in ("anna", "ben", "cleo"):
            self.decide(players, self.activity(codec, 0, member_id=member))
        history = self.activity(codec, 10_000, lag_ms=HOUR_MS, member_id="cleo")
        live = self.activity(codec, HOUR_MS + 10_000, member_id="anna")
        assert self.decide(players, history, live).history_seen
        assert players[1].repeated == 2

    @pytest.mark.parametrize(
        ("key", "repeats"),
        [
            (b"anna", True),
            (b"annabel", False),
            (b"annb", False),
            (b"ann", False),
            (b"", False),
            (None, False),
        ],
    )
    def test_its_key_is_the_member(self, players, codec, key, repeats):
        """What begins as the id does is none."""
        self.decide(players, self.activity(codec, 0))
        self.decide(players, msgspec.structs.replace(self.activity(codec, 10_000), key=key))
        assert players[1].repeated == repeats

    @pytest.mark.parametrize("id_of", [lambda _: "e0", lambda offset: f"e{offset}"])
    @pytest.mark.parametrize(
        ("at_ms", "lag_ms", "repeats"),
        [
            (10_000, -300_000, True),
            (10_000, -300_001, False),
            (10_000, 300_000, True),
            (10_000, 300_001, True),
            (946_684_799_999 - START_MS, 900_000_000_000, False),
        ],
    )
    def test_it_comes_at_its_time(self, players, codec, at_ms, lag_ms, repeats, id_of):
        """One that had been applied before is refused for its instant too."""
        self.decide(players, self.activity(codec, 0))
        event_id = id_of(1)
        self.decide(players, self.activity(codec, at_ms, lag_ms=lag_ms, event_id=event_id))
        assert players[1].repeated == repeats

    def test_after_9899_none_occurs(self, make_players, tmp_path, codec):
        """Even one that had been applied before, of a member who then waits still."""
        files = {"one.toml": 'kind = "reengager"\ninactivity.after = "36500d"\n'}
        self.offsets = count()
        players = make_players(load_playbooks(Path(write_files(tmp_path / "playbooks", files))))
        last_ms = LAST_OCCURRED_MS - START_MS
        self.decide(players, self.activity(codec, last_ms - 10_000))
        self.decide(players, self.activity(codec, last_ms))
        self.decide(players, self.activity(codec, last_ms + 1, event_id="e0"))
        assert players[1].repeated == 1

    @pytest.mark.parametrize(
        ("ending", "repeats"),
        [
            (b"\x00\x00", True),
            (b"\x00\x02\x02a\x00\x02\x02b\x02\x02c\x00", True),
            (b"\x00\x02\x02a\x04\x80\x80\x80\x80\x80\x80\x80\x80\x7f\x00", True),
            (b"\x00\x04\x02a\x00\x02a\x00\x00", True),
            (b"\x00\x02\x00\x02\x00\x00", True),
            (b"\x00\x02\x02a\x02\x80\x01" + b"t" * 64 + b"\x00", True),
            (b"\x00\x02\x02a\x06" + bytes(8) + b"\x00", True),
            (b"\x00\x02\x02a\x08\x01\x00", True),
            (b"\x00\x02\x02a\x08\x02\x00", False),
            (b"\x00\x01\x06\x02a\x00\x00", False),
            (b"\x00\x02\x02a\x04" + b"\xff" * 9 + b"\x01\x00", False),
            (b"\x00\x02\x02a\x0a\x00", False),
            (b"\x00\x02\x02a\x01\x00", False),
            (b"\x00\x02\x02\xff\x00\x00", False),
            (b"\x00\x02\x02a\x02\x02\xff\x00", False),
            (b"\x00\x02\x02a\x02\x03t\x00", False),
            (b"\x00\x02\x02a\x02\x20t\x00", False),
            (b"\x00\x02\x02a\x06" + bytes(7), False),
            (b"\x00\x02\x02a\x08", False),
            (b"\x00\x02\x02a", False),
            (b"\x00\x02", False),
            (b"\x00", False),
            (b"", False),
            (b"\x00\x00\x00", False),
            (b"\x01\x00", False),
            (b"\x0c\x00", False),
            (b"\x80\x00\x00", True),
        ],
    )
    def test_its_bytes_are_an_activity(self, players, codec, ending, repeats):
        """Channel and attributes in every form that Avro has for them, and in forms it has not."""
        self.decide(players, self.activity(codec, 0))
        record = self.activity(codec, 10_000)
        value = record.value[:-2] + ending
        self.decide(players, msgspec.structs.replace(record, value=value))
        assert players[1].repeated == repeats

    @pytest.mark.parametrize("size", [*range(10), 12, 17, 22, 30])
    def test_its_bytes_do_not_end_before(self, players, codec, size):
        self.decide(players, self.activity(codec, 0))
        record = self.activity(codec, 10_000)
        self.decide(players, msgspec.structs.replace(record, value=record.value[:size]))
        assert not players[1].repeated

    @pytest.mark.parametrize("place", [10, 13, 18, 24])
    def test_its_lengths_and_its_instant_are_not_negative(self, players, codec, place):
        """An odd number is a negative one."""
        self.decide(players, self.activity(codec, 0))
        record = self.activity(codec, 10_000)
        value = record.value[:place] + bytes([record.value[place] | 1]) + record.value[place + 1 :]
        self.decide(players, msgspec.structs.replace(record, value=value))
        assert not players[1].repeated

    def test_none_of_its_texts_is_empty(self, players, codec):
        self.decide(players, self.activity(codec, 0))
        self.decide(players, self.activity(codec, 10_000, event_id=""))
        self.decide(players, self.activity(codec, 10_000, type=""))
        assert not players[1].repeated

    def test_its_encoding_is_the_usual(self, players, codec):
        self.decide(players, self.activity(codec, 0))
        self.decide(players, self.activity(Codec(encoding="json"), 10_000))
        record = self.activity(codec, 10_000)
        foreign = record.value[:2] + bytes(8) + record.value[10:]
        for value in (foreign, b"\x00\x00\x00\x00\x07" + record.value[10:], b"", None):
            self.decide(players, msgspec.structs.replace(record, offset=next(self.offsets), value=value))
        assert not players[1].repeated

    def test_its_topic_is_that_of_activities(self, players, codec):
        self.decide(players, self.activity(codec, 0))
        self.decide(players, msgspec.structs.replace(self.activity(codec, 10_000), topic="transfer"))
        assert not players[1].repeated

    def test_time_goes_back_for_no_member_not_met_lately(self, players, codec, monkeypatch):
        monkeypatch.setattr(remembered, "CACHED_ENTITIES", 4)
        for member in ("anna", "ben", "cleo"):
            self.decide(players, self.activity(codec, 0, member_id=member))
        ahead = self.activity(codec, 60_000, member_id="cleo")
        self.decide(players, ahead, self.activity(codec, 10_000, lag_ms=50_000, member_id="anna"))
        assert players[1].repeated == 2

    @pytest.mark.parametrize(
        ("at_ms", "repeats"), [(7 * 24 * HOUR_MS + 1_999, 2), (7 * 24 * HOUR_MS + 2_000, 1)]
    )
    def test_others_whose_timers_are_due_go_first(self, players, codec, at_ms, repeats):
        self.decide(players, self.activity(codec, 0, member_id="ben"))
        self.decide(players, self.activity(codec, HOUR_MS))
        self.decide(players, self.activity(codec, 2 * HOUR_MS))
        self.decide(players, self.activity(codec, at_ms))
        assert players[1].repeated == repeats

    def test_the_wall_clock_fires_what_has_been_moved(self, players, codec):
        """An activity that is late by the partition's time moves a timer to before it."""
        wall_ms = START_MS + 7 * 24 * HOUR_MS
        self.decide(players, self.activity(codec, 0))
        self.decide(players, self.activity(codec, HOUR_MS))
        for ahead_ms in (0, 6_001, HOUR_MS + 6_001):
            by_rules, without = (player.decide([], wall_ms=wall_ms + ahead_ms) for player in players)
            assert without == by_rules
            late = self.activity(codec, 2 * HOUR_MS + ahead_ms, lag_ms=7 * 24 * HOUR_MS - HOUR_MS)
            self.decide(players, late)
        assert players[1].repeated == 4

    def test_a_member_who_waits_for_nothing_is_left_to_the_rules(self, players, codec):
        for number in range(4):
            self.decide(players, self.activity(codec, 10_000 * number, channel="WEB"))
        assert not players[1].repeated

    @pytest.mark.parametrize("channels", ['["EMAIL"]', '["APP", "EMAIL"]'])
    def test_the_first_activity_in_the_app_is_left_to_the_rules(
        self, make_players, tmp_path, codec, channels
    ):
        """Who was active elsewhere only has no last one in the app."""
        files = {"one.toml": f'kind = "reengager"\ninactivity.channels = {channels}\n'}
        self.offsets = count()
        players = make_players(load_playbooks(Path(write_files(tmp_path / "playbooks", files))))
        for number, channel in enumerate(("EMAIL", "EMAIL", "EMAIL", "APP", "EMAIL", "APP", "APP")):
            self.decide(players, self.activity(codec, 10_000 * number, channel=channel))
        assert players[1].repeated == 5

    def test_feedback_does_not_repeat(self, make_players, tmp_path, codec):
        """Whatever a re-engager takes it for, it is noted with its nudge."""
        files = {"one.toml": 'kind = "reengager"\ninactivity.activities = ["nudge.opened"]\n'}
        self.offsets = count()
        players = make_players(load_playbooks(Path(write_files(tmp_path / "playbooks", files))))
        for number in range(3):
            self.decide(players, self.activity(codec, 10_000 * number, type="nudge.opened"))
        assert not players[1].repeated

    def test_with_more_re_engagers_than_have_room_the_rules_apply_everything(
        self, make_players, tmp_path, codec
    ):
        files = {
            f"{number}.toml": f'kind = "reengager"\ninactivity.tag = "t{number}"\ninactivity.after = "{number + 3}d"\n'
            for number in range(5)
        }
        for most, repeats in (4, 2), (5, 0):
            self.offsets = count()
            chosen = dict(list(files.items())[:most])
            players = make_players(load_playbooks(Path(write_files(tmp_path / f"{most}", chosen))))
            for number in range(3):
                self.decide(players, self.activity(codec, 10_000 * number))
            assert players[1].repeated == repeats

    @pytest.mark.parametrize("moved", ["one", "zwei"])
    @pytest.mark.parametrize("at_ms", [7 * 24 * HOUR_MS - 1, 7 * 24 * HOUR_MS, 7 * 24 * HOUR_MS + 1])
    def test_timers_that_pass_each_other_are_left_to_the_rules(
        self, make_players, tmp_path, codec, at_ms, moved
    ):
        """Of two re-engagers that follow different channels; of two timers at one instant the name decides."""
        files = {
            f"{moved}.toml": 'kind = "reengager"\ninactivity.after = "3d"\n',
            "two.toml": 'kind = "reengager"\ninactivity.tag = "dormant"\ninactivity.after = "10d"\n'
            'inactivity.channels = ["EMAIL"]\n',
        }
        self.offsets = count()
        players = make_players(load_playbooks(Path(write_files(tmp_path / "playbooks", files))))
        self.decide(players, self.activity(codec, 0), self.activity(codec, 0, channel="EMAIL"))
        for hours in range(48, 7 * 24, 48):
            self.decide(players, self.activity(codec, hours * HOUR_MS))
        self.decide(players, self.activity(codec, at_ms))
        self.decide(players, self.activity(codec, at_ms + 60_000))
        self.decide(players, self.activity(codec, at_ms + 120_000, channel="EMAIL"))

    def test_of_a_re_engagers_timers_that_of_inactivity_moves(self, make_players, tmp_path, codec):
        """Not that of a request nobody has answered, be it due before or after the other."""
        files = {"one.toml": 'kind = "reengager"\ntransfer.managed = false\ntransfer.max_lag = "200h"\n'}
        self.offsets = count()
        players = make_players(load_playbooks(Path(write_files(tmp_path / "playbooks", files))))
        self.decide(players, self.activity(codec, 0))
        self.decide(players, self.activity(codec, 10_000, type="setup.completed"))
        for hours in 1, 2, 30, 48, 72, 96:
            self.decide(players, self.activity(codec, hours * HOUR_MS))
        assert players[1].repeated == 4

    def test_an_id_is_forgotten_after_64_others(self, players, codec):
        """At every length of the newest ids: then, and not before, it is applied again."""
        rnd = random.Random(0)
        known: list[str] = []
        self.decide(players, self.activity(codec, 0))
        for number in range(1, 300):
            back = rnd.choice((0, 0, 0, 62, 63, 64, 65, 66, 71, 72))
            event_id = known[-back] if 0 < back < len(known) else f"n{number}"
            states = self.decide(players, self.activity(codec, 10_000 * number, event_id=event_id)).states
            if states:
                known.append(event_id)
        assert players[1].repeated == 299

    def test_a_late_one_moves_only_what_knows_no_later(self, players, codec):
        """An activity in the app from before the last one of another channel, and one at the same instant."""
        for at_ms, channel in (0, "APP"), (10_000, "APP"), (20_000, "WEB"), (20_000, "APP"), (20_000, "APP"):
            self.decide(players, self.activity(codec, at_ms, channel=channel))
        assert players[1].repeated == 4

    def test_batches_that_come_again_after_they_were_stored(self, make_players, playbook_sets, codec):
        """At least once: what a state has seen of them is not applied again, in whichever form the member is."""
        self.offsets = count()
        players = make_players(playbook_sets[0], exactly_once=False)
        lines = [self.activity(codec, 10_000 * number) for number in range(40)]
        lines[20] = self.activity(codec, 200_000, type="setup.step_completed", channel="WEB")
        lines = [msgspec.structs.replace(line, offset=number) for number, line in enumerate(lines)]
        positions = []
        for at in range(0, 30, 5):
            positions.append(players[0].decider.position)
            self.decide(players, *lines[at : at + 5])
        for back in 1, 3:
            for player in players:
                player.close()
                player.open(positions[-back])
            for at in range(30 - 5 * back, 40, 5):
                self.decide(players, *lines[at : at + 5])
        assert players[1].repeated == 25

    def test_playbooks_may_change(self, make_players, tmp_path, codec):
        """Tags change hands between re-engagers, spans become longer and shorter, and one of them goes."""
        kind = 'kind = "reengager"\n'
        swapped = {
            "one.toml": kind + 'inactivity.tag = "dormant"\ninactivity.after = "2d"\n',
            "two.toml": kind + 'inactivity.after = "20d"\n',
        }
        sets = [
            load_playbooks(Path(write_files(tmp_path / f"{number}", files)))
            for number, files in enumerate((TWO, swapped, {"two.toml": TWO["two.toml"]}, TWO))
        ]
        self.offsets = count()
        players = make_players(sets[0])
        for number, playbooks in enumerate(sets):
            for player in players:
                player.core = MemberCore(playbooks)
                player.reopen()
            repeated = players[1].repeated
            for hours in 0, 24, 48, 71, 72 + 71, 72 + 72:
                for channel in "APP", "EMAIL":
                    at_ms = (number * 300 + hours) * HOUR_MS
                    self.decide(players, self.activity(codec, at_ms, channel=channel))
            assert players[1].repeated > repeated

    def test_a_batch_given_up_while_another_is_unwritten_leaves_nothing(self, players, codec, monkeypatch):
        """What the unwritten one has changed is still read from it; the next batch may be cut elsewhere."""
        monkeypatch.setattr(deciding, "SLICE", 3)
        lines = [self.activity(codec, 10_000 * number) for number in range(60)]
        self.decide(players, lines[0])
        decided: list[list[Any]] = [[], []]
        for player, found in zip(players, decided, strict=True):
            for start in range(1, 60, 12):
                slices = player.decider.slices(lines[start : start + 12])
                for _ in range(1 + start % 3):
                    next(slices)
                slices.close()
                for batch in (lines[start : start + 2], lines[start + 2 : start + 12]):
                    found.append(player.decider.decide(batch))
                    if len(found) > 1:
                        player.write(found[-2])
        for by_rules, without in zip(*decided, strict=True):
            assert list(without.outgoing.states) == list(by_rules.outgoing.states)
            assert without.outgoing.outputs == by_rules.outgoing.outputs
        assert players[1].repeated > 59


@compiled
class TestWhoSettles:
    """A member is settled only in the form in which everything has its place."""

    @pytest.fixture
    def repeating(self, make_players, playbook_sets) -> Repeating[Any]:
        repeating: Repeating[Any] = make_players(playbook_sets[0])[1].store.repeating
        return repeating

    @pytest.mark.parametrize(
        ("changes", "settles"),
        [
            ({}, True),
            ({"born": False}, False),
            ({"page_stale": True}, False),
            ({"timers": []}, False),
            ({"timers": [(START_MS + number, "inactive", f"p{number}", "") for number in range(8)]}, True),
            ({"timers": [(START_MS + number, "inactive", f"p{number}", "") for number in range(9)]}, False),
            ({"timers": [(1, "inactive", "one", "")]}, False),
            ({"now_ms": 1}, False),
            ({"recent": bytes(56), "older_ids": True}, True),
            ({"recent": bytes(64)}, False),
            ({"snapshot_ms": None, "last_in_app_ms": None}, True),
            ({"states": {}, "merged": Merged(None, 0, ["x" * 256] * 20)}, True),
        ],
    )
    def test_settles(self, repeating, changes, settles):
        """And comes out again as it went in."""
        fields = {
            "now_ms": START_MS,
            "born": True,
            "timers": [(START_MS + HOUR_MS, "inactive", "one", "")],
            "recent": bytes(8),
            "snapshot_ms": START_MS,
            "last_in_app_ms": START_MS,
            "states": {"one": ReengagerState("inactive", START_MS)},
            **changes,
        }
        hot = Hot("hash", **fields)
        settled = repeating.settle(Member("anna", hot), encode_hot(hot))
        assert (settled is not None) == settles
        if settled is not None:
            assert settled.part() == encode_hot(hot)
