"""The way from the first call to the tokens: InitiateAuth, the answers to challenges, and what each of them leads to.

How far somebody has come is a sealed `SignIn` (`userpools.challenges`); proofs are checked in `factors`.
"""
