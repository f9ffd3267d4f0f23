import fastapi

import services.profile.api
import services.profile.consumer
