import services.profile.domain
