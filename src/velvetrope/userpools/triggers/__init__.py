"""Functions that a pool asks: the events they get, what they may answer, and which occasion asks which of them.

What is asked within a sign-in is `sign_in.triggers`'; messages of custom senders are `messages.custom_senders`'.
"""
