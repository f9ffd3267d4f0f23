import shared.http
