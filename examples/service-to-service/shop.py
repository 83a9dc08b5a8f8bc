"""A connection to PostgreSQL, with a token in the password's place; libpq takes all else from PGHOST, PGUSER …"""

import os

import boto3
import psycopg


def connect():
    token = boto3.client("rds").generate_db_auth_token(
        DBHostname=os.environ["PGHOST"], Port=int(os.environ["PGPORT"]), DBUsername=os.environ["PGUSER"]
    )
    return psycopg.connect(password=token)
