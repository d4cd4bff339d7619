"""The three ports on AWS: SQS FIFO, DynamoDB, S3."""
