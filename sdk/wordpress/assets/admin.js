/**
 * Makes the settings page quicker to use. All of it works without, but for the
 * buttons that fill the form.
 */
( function () {
	'use strict';

	function fill( values ) {
		[ 'host', 'port', 'security' ].forEach( function ( name ) {
			var field = document.getElementById( name );
			if ( field && values[ name ] !== undefined ) {
				field.value = values[ name ];
			}
		} );
	}

	function hint( option ) {
		var row = document.getElementById( 'postilion-hints' );
		var values = option && option.dataset.postilionFill ? JSON.parse( option.dataset.postilionFill ) : {};
		if ( ! row ) {
			return;
		}
		row.hidden = ! ( values.hints && values.hints.length );
		row.querySelector( 'p' ).textContent = ( values.hints || [] ).join( ' ' );
	}

	// A provider brings its server along.
	var provider = document.getElementById( 'provider' );
	if ( provider ) {
		hint( provider.selectedOptions[ 0 ] );
		provider.addEventListener( 'change', function () {
			var option = provider.selectedOptions[ 0 ];
			if ( option.dataset.postilionFill ) {
				fill( JSON.parse( option.dataset.postilionFill ) );
			}
			hint( option );
		} );
	}

	document.addEventListener( 'click', function ( event ) {
		var button = event.target.closest( '[data-postilion-fill]' );
		if ( button && button.tagName === 'BUTTON' ) {
			fill( JSON.parse( button.dataset.postilionFill ) );
		}
	} );

	// A test shows its result without a new page, so that what was typed stays.
	document.addEventListener( 'submit', function ( event ) {
		var button = event.submitter;
		var result = document.getElementById( 'postilion-result' );
		if ( ! button || ! button.hasAttribute( 'data-postilion-inline' ) || ! result || ! window.fetch ) {
			return;
		}
		event.preventDefault();
		var form = event.target;
		var data = new FormData( form );
		data.append( button.name, button.value );
		button.disabled = true;
		result.textContent = window.postilionTexts.working;
		window.fetch( form.action, { method: 'POST', body: data, credentials: 'same-origin' } )
			.then( function ( answer ) {
				return answer.text();
			} )
			.then( function ( html ) {
				var page = new DOMParser().parseFromString( html, 'text/html' );
				var found = page.getElementById( 'postilion-result' );
				if ( ! found ) {
					throw new Error( 'no result' );
				}
				result.replaceChildren.apply( result, Array.from( found.childNodes ) );
			} )
			.catch( function () {
				result.textContent = window.postilionTexts.failed;
			} )
			.then( function () {
				button.disabled = false;
			} );
	} );
}() );
