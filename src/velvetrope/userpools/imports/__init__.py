"""Users from elsewhere: CSV files, and another directory that is asked when somebody signs in.

Source: Cognito Developer Guide, "Importing users into a user pool".
"""
