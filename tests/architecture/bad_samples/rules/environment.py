# lies at: services/profile/consumer.py
import os
from os import environ  # breaks the rule

folder = os.environ["PROFILE_DATA_DIR"]  # breaks the rule
level = os.getenv("PROFILE_LOG_LEVEL")  # breaks the rule
separator = os.sep
