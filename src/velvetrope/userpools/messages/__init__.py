"""What is written to people: mails and text messages with their codes, from the words to their delivery."""
