"""What is left of a message's HTML for people who are shown none."""

import pytest

from velvetrope.delivery import plain_text_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Your code is 123456", "Your code is 123456"),
        ("Your code is <b>123456</b>.<br>Hurry.", "Your code is 123456.\nHurry."),
        ('Please <a href="https://a.example/?x=1&amp;y=2">confirm</a>', "Please confirm (https://a.example/?x=1&y=2)"),
        ("<p>One</p><p>Two</p>", "One\n\nTwo"),
        ("<style>p { color: red }</style><script>alert(1)</script>Seen", "Seen"),
        ("1 &lt; 2 &amp; 3", "1 < 2 & 3"),
        ("a < b", "a < b"),
        ("</a></b>", ""),
        ("", ""),
    ],
)
def test_a_person_reads_the_words(text: str, words: str) -> None:
    assert plain_text_of(text) == words
