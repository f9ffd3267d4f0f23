import services.profile.handlers
import shared.worker
