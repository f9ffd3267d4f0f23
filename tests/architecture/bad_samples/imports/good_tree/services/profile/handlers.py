import services.profile.domain
import services.profile.store
import shared.events
