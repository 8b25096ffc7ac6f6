"""Contract 3, MemberProfile, and what a late one may not undo (contract 5, "Late")."""

from tests.domain.conftest import Story


def test_null_is_unchanged(story: Story):
    story.profile(0, email="a@example.com", country="CH")
    story.profile(1, country="AT")
    profile = story.member().cold().profile
    assert (profile.email, profile.country) == ("a@example.com", "AT")


def test_channels_are_replaced_whole(story: Story):
    story.profile(0, channels=["SMS", "EMAIL"])
    story.profile(1, channels=["EMAIL"])
    assert story.member().cold().profile.channels == ["EMAIL"]


def test_consents_are_merged_by_channel_and_null_goes_back_to_the_default(story: Story):
    story.profile(0, consents={"EMAIL": True, "SMS": True})
    story.profile(1, consents={"SMS": False, "EMAIL": None})
    assert story.member().cold().profile.consents == {"SMS": False}


def test_a_late_word_does_not_undo_a_newer_one_but_counts_where_nothing_was_said(story: Story):
    story.profile(5, email="new@example.com", owner_id="new", consents={"SMS": False})
    story.profile(3, arrived=5, email="old@example.com", phone="1", owner_id="old", consents={"SMS": True})
    profile = story.member().cold().profile
    assert (profile.email, profile.phone, profile.consents) == ("new@example.com", "1", {"SMS": False})
    assert story.member().hot.owner_id == "new"


def test_of_two_words_of_one_instant_the_later_arrival_counts(story: Story):
    story.profile(5, email="a@example.com")
    story.profile(5, email="b@example.com")
    assert story.member().cold().profile.email == "b@example.com"


def test_a_record_that_says_nothing_leaves_the_cold_part_unwritten(story: Story):
    story.profile(0)
    assert not story.member().hot.has_cold
