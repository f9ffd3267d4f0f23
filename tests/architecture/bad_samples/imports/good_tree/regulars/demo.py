import asyncpg

import services.ingest
import services.profile.domain
