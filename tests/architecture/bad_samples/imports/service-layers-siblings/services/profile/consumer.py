import services.profile.api
