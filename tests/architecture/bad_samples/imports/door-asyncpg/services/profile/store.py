import asyncpg

import services.profile.tables
