import services.profile.app
