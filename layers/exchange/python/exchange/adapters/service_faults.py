"""What a service that is out of reach raises, of whichever client library: for who shows the rest nevertheless."""

import psycopg
from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException

from exchange.faults import RetryableFault

SERVICE_FAULTS = (RetryableFault, psycopg.Error, BotoCoreError, ClientError, PynamoDBException)
