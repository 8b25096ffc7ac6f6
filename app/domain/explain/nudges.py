"""Why a nudge was sent, held or suppressed: the policy's questions, in its order (contract 6.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.calendar import is_public_holiday, local_time, zone_of
from app.domain.explain.considered import Condition, Considered, Outcome, span_text
from app.domain.instants import planned_instant
from app.domain.nudges import MOST_PENDING, snoozed_until_ms
from app.domain.outputs import Nudge, NudgeSuppressed
from app.domain.policy import counted, has_address, hold_out_rank

if TYPE_CHECKING:
    from app.domain.nudge_state import Pending
    from app.domain.nudges import Verdict
    from app.domain.state import Profile
    from app.domain.turn import Turn

WAITING = "waiting"


def judged(turn: Turn, nudge: Pending, verdict: Verdict) -> Considered:
    """A nudge to the member with the verdict it was given, before that takes effect."""
    template = nudge.message.template
    sent = Outcome(f'nudge "{template}" is sent', Nudge.topic, {"template": template})
    considered = Considered(nudge.playbook, sent, conditions_of(turn, nudge), happened=bool(verdict.channel))
    if verdict.wait_until_ms:
        considered.effect = f"waits until {planned_instant(verdict.wait_until_ms)}"
    return considered


def conditions_of(turn: Turn, nudge: Pending) -> list[Condition]:
    """What a nudge to the member has to pass at the member's now, in the order in which `nudges.judge` asks.

    The name of the first that fails is the reason the nudge is suppressed with, or `WAITING`.
    """
    profile, wanted = turn.member.cold().profile, nudge.message.channels
    return [
        _held_out(turn, nudge),
        _snoozed(turn, nudge),
        *_channel(turn, profile, wanted),
        _open(turn, profile),
        *_caps(turn),
    ]


def unjudged(output: NudgeSuppressed) -> Considered:
    """A nudge that was suppressed without being judged by the policy."""
    who = output.recipient_role.lower()
    says = {
        "workflow_resolved": "its workflow is resolved, or whom it was for is gone",
        "no_channel": f"no {who} of the member is known",
        "recipient_excluded": f"the {who} is a record without an account",
        "capped": f"{MOST_PENDING} nudges of the member are planned already",
    }.get(output.reason, output.reason)
    condition = Condition(name=output.reason, holds=False, says=says)
    sent = Outcome(f'nudge "{output.template}" is sent', Nudge.topic, {"template": output.template})
    return Considered(output.playbook, sent, [condition], happened=False)


def _held_out(turn: Turn, nudge: Pending) -> Condition:
    policy, member_id = turn.playbooks.policy, turn.member.key
    rank = round(hold_out_rank(nudge.playbook, member_id), 2)
    held_out = policy.holds_out(nudge.playbook, member_id)
    percent = f"{policy.hold_out_percent:g} %"
    says = f"held out: at {rank} of 100, with {percent} held out" if held_out else f"not held out ({percent})"
    return Condition(
        name="held_out",
        holds=not held_out,
        says=says,
        value=rank,
        needed=policy.hold_out_percent,
        key="hold_out_percent",
        of_policy=True,
    )


def _snoozed(turn: Turn, nudge: Pending) -> Condition:
    until_ms, now_ms = snoozed_until_ms(turn, nudge), turn.hot.now_ms
    holds = now_ms >= until_ms
    says = "not snoozed" if holds else f"snoozed until {planned_instant(until_ms)}"
    return Condition(name="snoozed", holds=holds, says=says, value=until_ms or None)


def _channel(turn: Turn, profile: Profile, wanted: tuple[str, ...]) -> list[Condition]:
    policy = turn.playbooks.policy
    channels = list(policy.channels_of(profile, wanted))
    reachable = [channel for channel in channels if has_address(profile, channel)]
    allowed = [channel for channel in reachable if policy.has_consent(profile, channel)]
    listed, whose = ", ".join(channels), "the policy's list"
    if profile.channels:
        whose = "the member's own list"
    elif wanted:
        whose = "the nudge's list"
    from_policy = not profile.channels and not wanted
    says = f"none of {listed} ({whose}) has an address"
    if reachable:
        says = f"{', '.join(reachable)} of {listed} ({whose}) can be reached"
    address = Condition(
        name="no_channel",
        holds=bool(reachable),
        says=says,
        value=reachable,
        needed=channels,
        key="channels" if from_policy else "",
        of_policy=from_policy,
    )
    says = f"no consent to {', '.join(reachable) or listed}"
    if allowed:
        says = f"consent to {', '.join(allowed)}: goes by {allowed[0]}"
    consent = Condition(
        name="no_consent",
        holds=bool(allowed),
        says=says,
        value=allowed,
        needed=reachable,
        key="consent_default",
        of_policy=True,
    )
    return [address, consent]


def _open(turn: Turn, profile: Profile) -> Condition:
    policy, now_ms = turn.playbooks.policy, turn.hot.now_ms
    open_ms = policy.open_from_ms(now_ms, profile)
    moment = local_time(now_ms, zone_of(profile.time_zone))
    clock = f"{moment:%H:%M} in {profile.time_zone or 'UTC'}"
    holiday = policy.holidays and is_public_holiday(moment.date(), profile.country, profile.region)
    says = f"neither quiet hours nor a public holiday at {clock}"
    if open_ms > now_ms:
        what = f"a public holiday of {profile.country}" if holiday else "quiet hours"
        says = f"{what} at {clock}, until {planned_instant(open_ms)}"
    return Condition(
        name=WAITING,
        holds=open_ms <= now_ms,
        says=says,
        value=open_ms,
        needed=now_ms,
        key="holidays" if holiday else "quiet",
        of_policy=True,
    )


def _caps(turn: Turn) -> list[Condition]:
    policy, now_ms = turn.playbooks.policy, turn.hot.now_ms
    sent = turn.member.cold().sent
    conditions = []
    for span_ms, count in policy.caps:
        nudges = counted(now_ms, span_ms, sent)
        holds = not len(nudges) >= count
        span = _cap_span(span_ms)
        says = f"{len(nudges)} of {count} per {span} sent"
        if not holds:
            reached = ", ".join(nudge.nudge_id for nudge in nudges) or "none at all"
            says = f"cap {count} per {span} reached by nudge {reached}"
        conditions.append(
            Condition(
                name="capped",
                holds=holds,
                says=says,
                value=[nudge.nudge_id for nudge in nudges],
                needed=count,
                key=f"caps.{span}",
                of_policy=True,
            )
        )
    return conditions


def _cap_span(span_ms: int) -> str:
    """As a playbook writes it: `1d`."""
    return span_text(span_ms).replace(" min", "m").replace(" ", "")
