import fastapi

import services.profile.handlers
import services.profile.schemas
