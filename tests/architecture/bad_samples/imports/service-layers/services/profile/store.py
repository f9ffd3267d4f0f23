import services.profile.handlers
