import fastapi

import services.profile.domain
