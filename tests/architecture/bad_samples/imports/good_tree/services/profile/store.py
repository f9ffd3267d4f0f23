import services.profile.domain
import services.profile.tables
import shared.db
